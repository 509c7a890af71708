import { AwsError } from "./aws-error.js";

/** One page of a list: the items after `Marker`, at most `Limit`, and where to go on. */
export function page<T>(
  name: string,
  items: readonly T[],
  request: { Limit?: number; Marker?: string },
  item: { id: (item: T) => string; show: (item: T) => unknown; defaultLimit?: number; maxLimit?: number },
): Record<string, unknown> {
  const start = request.Marker === undefined ? 0 : positionAfter(items, request.Marker, item.id);
  // A larger limit than documented is in the service model's range: "it might return fewer".
  const end = start + Math.min(request.Limit ?? item.defaultLimit ?? 100, item.maxLimit ?? 1000);
  const last = items[end - 1];
  const truncated = last !== undefined && end < items.length;
  return {
    [name]: items.slice(start, end).map(item.show),
    ...(truncated && { NextMarker: Buffer.from(item.id(last)).toString("base64url") }),
    Truncated: truncated,
  };
}

/** The items are ordered by id, so a marker still works when its item is gone. */
function positionAfter<T>(items: readonly T[], marker: string, id: (item: T) => string): number {
  const after = Buffer.from(marker, "base64url").toString();
  if (after === "" || Buffer.from(after).toString("base64url") !== marker)
    throw new AwsError("InvalidMarkerException", "Could not deserialize marker");
  const next = items.findIndex((item) => id(item) > after);
  return next === -1 ? items.length : next;
}
