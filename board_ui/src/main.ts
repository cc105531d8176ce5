import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { startLive } from "./live.svelte.ts";
import { loadSession } from "./session.svelte.ts";
import { startRouter } from "./router.svelte.ts";

startRouter();
startLive();
void loadSession();
mount(App, { target: document.getElementById("app") as HTMLElement });
