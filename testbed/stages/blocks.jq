# Queries about a pod that several rules share.

# Whether the tag of a container's image ends in one of the words.
def troubled: .image | test(":[^/:]*(TROUBLES)$");

# Whether a probe of a container with that tag fails.
def fails($tag): . != null and ("\($tag) \(.httpGet.path // "")" | test("FAILING_PROBES"));

# The status of such a container, or an empty one, with that word. It also has the period of its probes in seconds, whether one makes it
# unready, and in how many seconds after its start one kills it. A flaky container is fine after its first run, twice after its second.
def status($statuses):
  . as $container
  | ($container.image | capture("(?<tag>(TROUBLES)$)").tag) as $tag
  | (first($statuses[]? | select(.name == $container.name)) // {})
  | .tag = if .state.running and .restartCount >= ({ flaky: 1, twice: 2 }[$tag] // infinite) then "fine" else $tag end
  | .probedEvery = ([$container | .startupProbe, .readinessProbe, .livenessProbe | select(.).periodSeconds] | min)
  | .unready = any($container | .startupProbe, .readinessProbe; fails($tag))
  | .killedAfter = ([
      select($tag | IN("hang", "silent", "unhealthy"))
      | $container | .startupProbe, .livenessProbe
      | select(fails($tag))
      | (.initialDelaySeconds // 0) + .periodSeconds * .failureThreshold
    ][0]);

# The containers to simulate now: the first init container with one of the words that has not completed,
# or else all other containers with one, or else a fine container. Most pods are fine, and every rule queries them.
def turn:
  .status as $status
  | first(
      .spec.initContainers[]?
      | select(.restartPolicy != "Always" and troubled)
      | status($status.initContainerStatuses)
      | select(.ready | not)
    )
    // (.spec.containers[] | select(troubled) | status($status.containerStatuses))
    // ($status.containerStatuses[0] // {} | .tag = "fine");

# The tag and the state of each of these that meets a condition, such as "crash Running". The state is one that blocks.gotmpl writes,
# or "new", or BackOff, which is Exited or RunContainerError after a restart. A pod that is being deleted has none.
def state(condition):
  select(.metadata.deletionTimestamp | not)
  | turn
  | select(condition)
  | .tag + " " + (
      if .state.running then (if .ready then "Ready" else "Running" end)
      elif .state.terminated or .state.waiting.reason == "RunContainerError" then
        (if .restartCount > 0 then "BackOff" elif .state.terminated then "Exited" else "RunContainerError" end)
      elif .state.waiting.reason != "PodInitializing" then .state.waiting.reason // "new"
      else "new" end
    );
def state: state(true);

# Whether the readiness probe is answered, from the start, with an error.
def refuses: .unready and (.tag | IN("hang", "slow", "jitter", "slow-crash"));

# The seconds for which the kubelet waits before it starts a container again. A container that exits is restarted immediately once, one
# that a probe kills twice. Then the time counts from the end of the run, or of the run before if a probe kills it.
def backOff($restarts): [RESTART_DELAYS][[$restarts - 1, 5] | min];
def backOff: first(turn) | backOff(.restartCount - if .killedAfter then 1 else 0 end);
def backsOff:
  .restartCount > 1
  and (.state.running.startedAt | fromdate) + .killedAfter - (.lastState.terminated.finishedAt | fromdate) < backOff(.restartCount - 1);
def restarts: first(turn).restartCount;
# The least and the most time until the kubelet syncs the pod of a container that has exited: when its delay is over, or after a minute, or
# with the next result of a probe. Times of the kubelet are up to one and a half times as long.
def nextSync:
  first(turn).probedEvery as $every
  | if $every then [([1, backOff] | min), ([$every, backOff * 1.5] | min)] else [backOff, 60] | min | [., . * 1.5] end;
# The time that is left of the delay.
def remaining: [0, (first(turn).lastState.terminated.finishedAt | fromdate) + backOff - now] | max;

# Whether a container of the pod ignores SIGTERM. Otherwise such a container is fine.
def deaf: any(.spec.containers[]; .image | test(":[^/:]*deaf$"));

# The delay of a retry that doubles each time: the current age of the pod.
def elapsed: now - (.status.startTime | fromdate) | floor;
# Whether the pull that is due is in the first seconds of the pod, in which the registry of an outage does not answer.
def isAway: .status.startTime == null or elapsed < 5;
