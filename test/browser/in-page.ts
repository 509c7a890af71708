/*
 * What runs in the page itself. Each function is sent there as it stands, so it uses nothing from outside of it; what it
 * finds there is declared here, for the repository is compiled without the types of browsers.
 */
interface Player {
  readonly src: string;
  readonly duration: number;
  currentTime: number;
  play(): Promise<void>;
  addEventListener(name: string, listener: () => void, options: { once: true }): void;
}

interface Node {
  connect(node: unknown): unknown;
}

interface Analyser extends Node {
  fftSize: number;
  smoothingTimeConstant: number;
  readonly frequencyBinCount: number;
  getFloatFrequencyData(levels: Float32Array): void;
}

declare const document: {
  querySelector(selector: "audio"): Player | null;
  readonly documentElement: { readonly scrollWidth: number; readonly dataset: Record<string, string | undefined> };
  readonly readyState: string;
  readonly activeElement: {
    readonly id: string;
    readonly textContent: string;
    matches(selector: string): boolean;
  } | null;
};
declare const MutationObserver: new (
  told: (
    changes: readonly {
      target: { matches(selector: string): boolean };
      addedNodes: Iterable<{ textContent: string }>;
    }[],
  ) => void,
) => { observe(root: unknown, options: { childList: true; subtree: true }): void };
declare const navigator: { readonly clipboard: { readText(): Promise<string> } };
declare const AudioContext: new () => {
  readonly sampleRate: number;
  readonly destination: unknown;
  createAnalyser(): Analyser;
  createMediaElementSource(player: Player): Node;
  resume(): Promise<void>;
};
declare const OfflineAudioContext: new (
  channels: number,
  length: number,
  rate: number,
) => {
  decodeAudioData(bytes: ArrayBuffer): Promise<{ duration: number; getChannelData(channel: number): Float32Array }>;
};
declare const createImageBitmap: (blob: Blob) => Promise<{ width: number; height: number }>;
declare const OffscreenCanvas: new (
  width: number,
  height: number,
) => {
  getContext(kind: "2d"): { drawImage(image: unknown, x: number, y: number): void };
  convertToBlob(options: { type: string; quality: number }): Promise<Blob>;
};
declare const axe: {
  run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
};

/** Length that the player shows, in seconds; `undefined` while it knows none. */
export function knownLength(): number | undefined {
  const length = document.querySelector("audio")?.duration;
  return Number.isFinite(length) ? length : undefined;
}

/** Marks the page, for a test to know the one that comes after it. */
export function leave(): void {
  document.documentElement.dataset["left"] = "";
}

export const isNewPage = (): boolean =>
  document.documentElement.dataset["left"] === undefined && document.readyState === "complete";

/** Decodes all of the recording. */
export async function decoded(): Promise<{ seconds: number; loudest: number }> {
  const bytes = await (await fetch(document.querySelector("audio")?.src ?? "")).arrayBuffer();
  const audio = await new OfflineAudioContext(1, 1, 48_000).decodeAudioData(bytes);
  const loudest = audio.getChannelData(0).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return { seconds: audio.duration, loudest };
}

/** Plays the second half, and gives the place at its end. */
export async function playSecondHalf(): Promise<number> {
  const player = document.querySelector("audio");
  if (!player) throw new Error("there is no player");
  player.currentTime = player.duration / 2;
  const end = new Promise<void>((resolve) => player.addEventListener("ended", resolve, { once: true }));
  await player.play();
  await end;
  return player.currentTime;
}

/** Plays from a second on, until a tone is heard there: its frequency in Hz, and the player's place. */
export async function hear(second: number): Promise<{ at: number; frequency: number }> {
  const player = document.querySelector("audio");
  if (!player) throw new Error("there is no player");
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 16_384;
  analyser.smoothingTimeConstant = 0;
  context.createMediaElementSource(player).connect(analyser);
  analyser.connect(context.destination);
  await context.resume();
  const sought = new Promise<void>((resolve) => player.addEventListener("seeked", resolve, { once: true }));
  player.currentTime = second;
  await sought;
  await player.play();
  const levels = new Float32Array(analyser.frequencyBinCount);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    analyser.getFloatFrequencyData(levels);
    const loudest = levels.indexOf(Math.max(...levels));
    // Until the window is full, the step from silence is heard too.
    if (player.currentTime > second + 1 && (levels[loudest] ?? -Infinity) > -40)
      return { at: player.currentTime, frequency: (loudest * context.sampleRate) / analyser.fftSize };
  }
}

/** Has the player look at another place. */
export function seek(second: number): void {
  const player = document.querySelector("audio");
  if (player) player.currentTime = second;
}

/** Asks for a range of what the player plays. */
export async function rangeOf(range: string): Promise<{ status: number; bytes: number[] }> {
  const answer = await fetch(document.querySelector("audio")?.src ?? "", { headers: { range } });
  return { status: answer.status, bytes: [...new Uint8Array(await answer.arrayBuffer())] };
}

export const focusIsOnAnswer = (): boolean => document.activeElement?.matches("[data-focus]") ?? false;
export const focused = (): { id?: string; text?: string } => {
  const { id, textContent: text } = document.activeElement ?? {};
  return { ...(id !== undefined && { id }), ...(text !== undefined && { text }) };
};
export const copiedText = (): Promise<string> => navigator.clipboard.readText();
export const pageWidth = (): number => document.documentElement.scrollWidth;

/** Notes what is said in the page's live regions from now on, as a screen reader hears it. */
export function listen(): void {
  const said: string[] = [];
  Object.assign(globalThis, { said });
  const observer = new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes)
      if (target.matches("[role=status]")) for (const { textContent } of addedNodes) said.push(textContent);
  });
  observer.observe(document, { childList: true, subtree: true });
}
export const heard = (): string[] => (globalThis as unknown as { said: string[] }).said;

/** What axe, whose script is in the page already, finds. */
export async function violations(): Promise<string[]> {
  return (await axe.run()).violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)].join("\n"));
}

/** Makes a WebP of a PNG in base64, for Chromium takes pictures of pages as PNG only. */
export async function webpOf(png: string): Promise<number[]> {
  const image = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0))]));
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/webp", quality: 0.82 });
  return [...new Uint8Array(await blob.arrayBuffer())];
}
