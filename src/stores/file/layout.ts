import { join } from "node:path";
import type { FrameLabels } from "../frame.js";
import { headFileOf, nameOf, recordFile } from "./names.js";

/** The path of a record, and the labels that its file must have there. */
export interface Place {
  readonly path: string;
  readonly labels: FrameLabels;
}

/**
 * The folders of a file store:
 *
 *     organizations/<organization>/heads/0000000001.record, 0000000002.record, …
 *     organizations/<organization>/pairs/<pair>.record
 *     organizations/<organization>/wrappings/<pair>/<wrapping>.record
 *     organizations/<organization>/status.record
 */
export class Layout {
  readonly organizationsFolder: string;

  constructor(root: string) {
    this.organizationsFolder = join(root, "organizations");
  }

  headsFolder(organizationId: string): string {
    return join(this.organizationsFolder, nameOf(organizationId), "heads");
  }

  head(organizationId: string, number: number): Place {
    return {
      path: join(this.headsFolder(organizationId), headFileOf(number)),
      labels: { kind: "head", organizationId, number },
    };
  }

  pairsFolder(organizationId: string): string {
    return join(this.organizationsFolder, nameOf(organizationId), "pairs");
  }

  pair(organizationId: string, keyPairId: string): Place {
    return {
      path: join(this.pairsFolder(organizationId), recordFile(keyPairId)),
      labels: { kind: "key-pair", organizationId, keyPairId },
    };
  }

  wrappingsFolder(organizationId: string, keyPairId: string): string {
    return join(this.organizationsFolder, nameOf(organizationId), "wrappings", nameOf(keyPairId));
  }

  wrapping(organizationId: string, keyPairId: string, wrappingId: string): Place {
    return {
      path: join(this.wrappingsFolder(organizationId, keyPairId), recordFile(wrappingId)),
      labels: { kind: "wrapping", organizationId, keyPairId, wrappingId },
    };
  }

  status(organizationId: string): Place {
    return {
      path: join(this.organizationsFolder, nameOf(organizationId), "status.record"),
      labels: { kind: "status", organizationId },
    };
  }
}
