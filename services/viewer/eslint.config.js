import eslint from "@eslint/js";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const REQUESTS = ["fetch", "EventSource", "XMLHttpRequest", "WebSocket"];
const NO_REQUEST = "Only src/apiRequests.ts and src/api.ts talk to the API.";
const ignores = ["dist", ".parcel-cache", "node_modules", "src/apiSchema.ts"];

export default tseslint.config(
  { ignores },
  eslint.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked, reactHooks.configs.flat.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "max-lines": ["error", 300],
      "no-restricted-syntax": [
        "error",
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: "Texts come from datasets: let React escape them.",
        },
      ],
    },
  },
  {
    files: ["src/**/*.tsx"],
    rules: { "max-lines": ["error", 200] },
  },
  {
    files: ["src/**/*.{ts,tsx}"],
    ignores: ["src/api.ts", "src/apiRequests.ts"],
    rules: {
      "no-restricted-globals": ["error", ...REQUESTS.map((name) => ({ name, message: NO_REQUEST }))],
      "no-restricted-properties": [
        "error",
        ...REQUESTS.map((property) => ({ object: "window", property, message: NO_REQUEST })),
        { object: "navigator", property: "sendBeacon", message: NO_REQUEST },
      ],
    },
  },
);
