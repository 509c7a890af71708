/** Tones of a WAV file that say where they are: second `s` of it has the frequency `frequencyAt(s)`. */
const frequencyAt = (second: number): number => 400 + 4 * second;
export const secondAt = (frequency: number): number => (frequency - 400) / 4;

const rate = 8_000;

/** A mono WAV file of 16 bits, of whole seconds. */
export function tonesWav(seconds: number): Buffer {
  const samples = seconds * rate;
  const file = Buffer.alloc(44 + 2 * samples);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8, "latin1");
  for (const [offset, value] of [
    [16, 16],
    [24, rate],
    [28, 2 * rate],
    [40, 2 * samples],
  ] as const)
    file.writeUInt32LE(value, offset);
  for (const [offset, value] of [
    [20, 1],
    [22, 1],
    [32, 2],
    [34, 16],
  ] as const)
    file.writeUInt16LE(value, offset);
  file.write("data", 36, "latin1");
  for (let index = 0; index < samples; index += 1) {
    const frequency = frequencyAt(Math.floor(index / rate));
    file.writeInt16LE(Math.round(12_000 * Math.sin((2 * Math.PI * frequency * index) / rate)), 44 + 2 * index);
  }
  return file;
}
