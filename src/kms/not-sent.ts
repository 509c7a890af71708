/**
 * Words of the failure of a call that was not sent, since the client is of another Region. Diagnosis knows it by them: on its
 * way a failure is copied member by member, and no member but the message says so.
 */
export const clientOfAnotherRegion = "the KMS client given is for";
