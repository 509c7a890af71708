import type { RangeRequest, RecordingAnswerOptions } from "./answer-head.js";
import { Answering, type RecordingAnswer, type SeekableRecording } from "./answering.js";

/**
 * Makes the answer to a request for a recording, for any kind of server: `sendRecording` and `recordingResponse` do as much
 * for theirs. Waits for the first bytes, so that a recording that can't be read (KMS refuses, the source is away) is
 * answered with the status of `httpStatusOf`: 503 if another try may help.
 *
 * The answer is done, for `closeWhenDone` and `onDone`, once its body has been read to the end, failed or was cancelled; one
 * without a body is done at once. Until then it listens to the signal.
 * @param signal - aborts when the client leaves
 * @throws InvalidInputError; `signal.reason`
 */
export async function answerRecordingRequest(
  request: RangeRequest,
  recording: SeekableRecording,
  options: RecordingAnswerOptions,
  signal?: AbortSignal,
): Promise<RecordingAnswer> {
  const answering = new Answering(recording, options);
  try {
    return await answering.answer(request, signal);
  } catch (error) {
    void answering.end(error);
    throw error;
  }
}
