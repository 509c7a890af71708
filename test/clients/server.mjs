/* What the clients' scripts know of the in-memory KMS that judges them: where it is, and its control. */
export const endpoint = process.env.KMS_URL;
export const region = process.env.AWS_REGION;
export const context = { purpose: "test", organization: "org-1" };
export const recorder = "arn:aws:iam::444455556666:role/recorder";

/** Faults, the clock, the journal. */
export async function control(method, path, body) {
  const headers = { "x-kms-control": "1", "content-type": "application/json" };
  const answer = await fetch(`${endpoint}/_kms/${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

export const inject = (kind, options) => control("POST", "faults", { kind, ...options });
export const heal = () => control("DELETE", "faults");
export const calls = async (query) => (await control("GET", `journal?${new URLSearchParams(query)}`)).calls;
