import { Test } from "@nestjs/testing";
import { RecordingsModule, RecordingsService } from "./recordings.service";

describe("a Nest 10 service under ts-jest", () => {
  it("encrypts and decrypts, and knows bad input by its class", async () => {
    const module = await Test.createTestingModule({ imports: [RecordingsModule] }).compile();
    const service = module.get(RecordingsService);
    expect((await service.start()).ok).toBe(true);
    expect([...(await service.roundTrip(new Uint8Array([1, 2, 3])))]).toEqual([1, 2, 3]);
    expect(service.badInput()).toBe("organizationId");
    expect(service.entries.every((entry) => typeof entry === "function")).toBe(true);
    await module.close();
  });
});
