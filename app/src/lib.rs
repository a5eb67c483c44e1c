//! Nibble's pages and server functions: Leptos views, rendered on the server only.
