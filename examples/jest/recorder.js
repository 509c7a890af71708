/** A recorder, as your service has one: keeps encrypted calls in a Map, where yours has a bucket. */
class Recorder {
  #keyStore;
  #recordings = new Map();

  constructor(keyStore) {
    this.#keyStore = keyStore;
  }

  async record(recordingId, audio) {
    const { body, usedLastKnownKey } = await this.#keyStore.encryptRecording(audio, { recordingId });
    this.#recordings.set(recordingId, body);
    return { usedLastKnownKey };
  }

  async play(recordingId) {
    const { body } = await this.#keyStore.decryptRecording(this.#recordings.get(recordingId), { recordingId });
    return body;
  }
}

module.exports = { Recorder };
