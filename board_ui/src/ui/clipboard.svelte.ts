/** Put text on the clipboard, also where the board is read without https. */

/** What a key just copied; said on the page for a moment, for a key shows nothing by itself. */
export const copied = $state({ what: "" });

/** Whether the text is on the clipboard now. */
export async function copy(text: string): Promise<boolean> {
  // Browsers keep this interface from pages that did not come by https or from localhost.
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed, or the page has lost the focus: try as below.
    }
  }
  return selected(text);
}

/** Copy for a key, and say so. */
export async function copyAloud(text: string, what: string): Promise<void> {
  const said = (await copy(text)) ? `Copied: ${what}` : `This browser lets no page copy: ${text}`;
  copied.what = said;
  setTimeout(() => {
    if (copied.what === said) copied.what = "";
  }, 2500);
}

/** As people do it: select it, and copy what is selected. Beside a modal dialog nothing can be selected. */
function selected(text: string): boolean {
  const area = document.createElement("textarea");
  const before = document.activeElement as HTMLElement | null;
  area.value = text;
  area.className = "hide-visually";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.focus({ preventScroll: true });
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    before?.focus({ preventScroll: true });
  }
}
