/** The types name Prism as a whole only; its core is the same object without languages. */
declare module "prismjs/components/prism-core" {
  export { default } from "prismjs";
}
