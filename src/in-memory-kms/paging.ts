import { defined } from "../util/defined.js";
import { AwsError } from "./aws-error.js";

export interface PageRequest {
  Limit?: number;
  Marker?: string;
}

interface PageOptions<T> {
  /** Id of an item. The items are sorted by it. */
  id: (item: T) => string;
  show: (item: T) => unknown;
  /** Default 100. */
  defaultLimit?: number;
  /** Default 1,000. */
  maxLimit?: number;
}

/** A page of a list: at most `Limit` items after `Marker`, and the marker of the next page. */
export function page<T>(
  name: string,
  items: readonly T[],
  request: PageRequest,
  { id, show, defaultLimit = 100, maxLimit = 1000 }: PageOptions<T>,
): Record<string, unknown> {
  const start = request.Marker === undefined ? 0 : positionAfter(items, request.Marker, id);
  // The service model allows larger limits than are documented: "it might return fewer".
  const end = start + Math.min(request.Limit ?? defaultLimit, maxLimit);
  const last = items[end - 1];
  const truncated = last !== undefined && end < items.length;
  return {
    [name]: items.slice(start, end).map(show),
    ...defined({ NextMarker: truncated ? Buffer.from(id(last)).toString("base64url") : undefined }),
    Truncated: truncated,
  };
}

/** Position of the first item after a marker, even if the marker's own item is gone. */
function positionAfter<T>(items: readonly T[], marker: string, id: (item: T) => string): number {
  const after = Buffer.from(marker, "base64url").toString();
  if (after === "" || Buffer.from(after).toString("base64url") !== marker)
    throw new AwsError("InvalidMarkerException", "Could not deserialize marker");
  const next = items.findIndex((item) => id(item) > after);
  return next === -1 ? items.length : next;
}
