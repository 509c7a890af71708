import { AwsError } from "../aws-error.js";
import type { KmsPrincipal } from "../principals.js";

const crossAccountReason =
  "on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access";

/** A refusal, as the service words it. Callers of other accounts are told less. */
export function notAuthorized(principal: KmsPrincipal, action: string, why = crossAccountReason): AwsError {
  return new AwsError("AccessDeniedException", `User: ${principal.arn} is not authorized to perform: ${action} ${why}`);
}
