"""Where the built board page lies; the sources are Svelte."""
