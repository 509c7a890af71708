export type { RangeRequest, RecordingAnswerOptions } from "./answer-head.js";
export type { RecordingAnswer, SeekableRecording } from "./answering.js";
export type { AnswerBody } from "./range-body.js";
export { httpStatusOf } from "./http-status.js";
export { answerRecordingRequest } from "./recording-answer.js";
export { sendRecording } from "./node.js";
export { recordingResponse, type WebRequest } from "./web.js";
