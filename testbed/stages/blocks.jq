# Queries about a pod that several rules share.

# Whether the tag of a container's image ends in one of the words.
def troubled: .image | test(":[^/:]*(TROUBLES)$");

# The status of such a container, or an empty one, with that word.
def status($statuses):
  . as $container
  | (first($statuses[]? | select(.name == $container.name)) // {})
  | .tag = ($container.image | capture("(?<tag>(TROUBLES)$)").tag);

# The containers to simulate now: the first init container with one of the words that has not completed,
# or else all other containers with one, or else a fine container. Most pods are fine, and every rule queries them.
def turn:
  .status as $status
  | first(
      .spec.initContainers[]?
      | select(.restartPolicy != "Always" and troubled)
      | status($status.initContainerStatuses)
      | select(.ready | not)
      | .init = true
    )
    // (.spec.containers[] | select(troubled) | status($status.containerStatuses))
    // ($status.containerStatuses[0] // {} | .tag = "fine");

# The tag and the state of each of these that meets a condition, such as "crash Running". The state is one
# that blocks.gotmpl writes, or "new". A pod that is being deleted has none.
def state(condition):
  select(.metadata.deletionTimestamp | not)
  | turn
  | select(condition)
  | .tag + " " + (
      if .state.running then (if .ready then "Ready" else "Running" end)
      elif .state.terminated then "Exited"
      elif .state.waiting.reason != "PodInitializing" then .state.waiting.reason // "new"
      else "new" end
    );
def state: state(true);
# Init containers have no probes.
def initState: state(.init);
def mainState: state(.init | not);

def restarts: [turn.restartCount // 0] | max;

# The delay of a retry that doubles each time: the current age of the pod.
def elapsed: now - (.status.startTime | fromdate) | floor;
