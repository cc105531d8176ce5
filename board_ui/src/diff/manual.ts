/** Told before Prism loads, which would otherwise rewrite every code block of the page by itself. */
Object.assign(globalThis, { Prism: { manual: true, disableWorkerMessageHandler: true } });
