// src/post.ts
if (process.env["STATE_guard"] !== void 0) await import("./index.js");
