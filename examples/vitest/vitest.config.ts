import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["*.spec.ts"], globalSetup: ["./in-memory-kms.setup.ts"] } });
