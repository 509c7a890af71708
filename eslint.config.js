import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  globalIgnores(["test/package/classic", "dist", "coverage", "reports", ".stryker-tmp"]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Numbers in messages are wanted, and so is a one-line arrow or `return` that calls a procedure.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": "off",
      // Callers in plain JavaScript, and other copies of the package, hand over what the types rule out.
      "@typescript-eslint/no-unnecessary-condition": "off",
      // An async method without `await` turns a throw into a rejection, as the interfaces promise.
      "@typescript-eslint/require-await": "off",
      // An aborted call rejects with whatever reason the caller gave its signal.
      "@typescript-eslint/only-throw-error": "off",
      "@typescript-eslint/prefer-promise-reject-errors": "off",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      eqeqeq: "error",
      "no-console": "error",
    },
  },
  {
    files: ["src/format/**", "src/recording/*.ts", "src/recording/reader/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: "^(node:)?(fs|net|http|https|tls|dns|child_process)(/|$)",
              message: "The recording format does no I/O of its own.",
            },
          ],
        },
      ],
    },
  },
  {
    // What the store gives is a claim: only these make a vouched pair, or the fleet's word, of it.
    files: ["src/**"],
    ignores: ["src/key-pairs/trust.ts", "src/key-pairs/active/fleet-word.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector: "TSAsExpression TSTypeReference[typeName.name=/^(VouchedKeyPair|UnconfirmedKeyPair|FleetWord)$/]",
          message: "Only trust vouches.",
        },
      ],
    },
  },
  {
    files: ["test/**", "examples/**", "scripts/**", "bench/**", "src/cli/**"],
    rules: { "no-console": "off" },
  },
  {
    files: ["test/**"],
    rules: {
      // A test that takes the wrong thing fails anyway; `!`, and `any` from matchers, keep it readable.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/unbound-method": "off",
    },
  },
);
