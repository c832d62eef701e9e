/** The post step. Only a guard leaves work for it; without that, nothing else is loaded. */
if (process.env['STATE_guard'] !== undefined) await import('./main.ts');

export {};
