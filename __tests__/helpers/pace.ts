import fc from 'fast-check';

/** How many nodes a rollout updates at a time, and how long it waits for each. */
export const pace = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      rollingUpdate: fc.constantFrom<object[]>(
        { maxUnavailable: 1 },
        { maxUnavailable: 3 },
        { maxUnavailable: '20%' },
        { maxUnavailable: '45%' },
        { maxUnavailable: '100%' },
      ),
      minReadySeconds: fc.constantFrom(0, 3, 6),
    }),
  },
  // With both maxSurge and minReadySeconds, the controller does not sync again when a new pod becomes available (v1.37: updatePod,
  // updateDaemonSetStatus), so the rollout is not progressing until something else happens. That is not a false alarm.
  {
    weight: 1,
    arbitrary: fc.record({
      rollingUpdate: fc.constantFrom<object[]>({ maxUnavailable: 0, maxSurge: 2 }, { maxUnavailable: 0, maxSurge: '50%' }),
      minReadySeconds: fc.constant(0),
    }),
  },
);
