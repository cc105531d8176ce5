import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// The hub serves the built files under a strict CSP: no inline script, no inline style, and
// nothing as a data: URL that the policy would refuse.
export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"], // the first that know light-dark()
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: "pages.json", // the hub names a page's own files in its HTML, so that they come at once
    rolldownOptions: {
      output: {
        // What every page uses is one file: a first view costs few requests. Plots, the tree and the
        // diff stay apart and come after the first paint. Small pages that are read together are one
        // file each: alone, half of what they weigh would be the names that they import.
        codeSplitting: {
          groups: [
            { name: "base", test: /rolldown.runtime|node_modules\/(svelte|esm-env|clsx)\/|src\/(ui|lists|goal\/(Running|History|chronicle)|posts\/Recent|[^/]+\.(ts|svelte)$)/ },
            { name: "forest", test: /src\/(tree\/(columns|summary|heap|titles|paint)|charts\/(progress|spent))/ }, // what plot and tree share
            { name: "plot", test: /src\/charts\/(Plot|drawing|svg)|node_modules\/uplot/ },
            { name: "people", test: /src\/(people\/|pages\/(Agents?|Mine|Signin|Words|Missing)\.svelte)/ },
            { name: "board", test: /src\/(posts\/(?!Composer|Recent)|pages\/(Board|Topic|Search)\.svelte)/ },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      "/v1": { target: "http://127.0.0.1:8080", ws: true },
      "/git": "http://127.0.0.1:8080",
    },
  },
});
