export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript', explicitResourceManagement: true } },
        module: { type: 'es6' },
      },
    ],
  },
  // For what hangs. What computes comes nowhere near it, not even beside programs that keep all cores busy.
  testTimeout: 1_200_000,
  reporters: ['default', '<rootDir>/test/tools/ends-in-time.mjs'],
  setupFilesAfterEnv: ['<rootDir>/test/tools/verify-always.ts'],
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  // On libraries built from source, by npm run test:source.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/source/'],
}
