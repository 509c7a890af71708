export type { RangeRequest, RecordingAnswerOptions } from "./answer-head.js";
export {
  answerRecordingRequest,
  type AnswerBody,
  type RecordingAnswer,
  type SeekableRecording,
} from "./recording-answer.js";
export { sendRecording } from "./node.js";
export { recordingResponse, type WebRequest } from "./web.js";
