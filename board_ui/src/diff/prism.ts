/** Prism without its hands on the page; its languages look for it among the globals. */
import "./manual.ts";
import Prism from "prismjs/components/prism-core";

export default Object.assign(globalThis, { Prism }).Prism;
