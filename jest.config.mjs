const common = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/__tests__/strip-types.mjs' },
  testEnvironment: 'node',
  modulePathIgnorePatterns: ['<rootDir>/dist'],
};

const onRealNode = { ...common, globalSetup: '<rootDir>/__tests__/node/setup.ts', globalTeardown: '<rootDir>/__tests__/e2e/teardown.ts' };
const onTestbed = { ...common, globalSetup: '<rootDir>/__tests__/e2e/setup.ts', globalTeardown: '<rootDir>/__tests__/e2e/teardown.ts' };

export default {
  maxWorkers: 2,
  maxConcurrency: 6,
  testTimeout: 180_000,
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/__tests__/unit/**/*.test.ts'] },
    { ...onTestbed, displayName: 'e2e', testMatch: ['<rootDir>/__tests__/{e2e,workflows}/**/*.test.ts'] },
    { ...onRealNode, displayName: 'node', testMatch: ['<rootDir>/__tests__/node/**/*.test.ts'] },
    { ...onTestbed, displayName: 'long', testMatch: ['<rootDir>/__tests__/long/**/*.test.ts'] },
  ],
};
