/** The post step. Only a guard leaves something for it to do, and before that is known nothing is loaded. */
if (process.env['STATE_guard'] !== undefined) await import('./index.ts');

export {};
