# What several rules ask about a pod.

# Whether the tag of a container's image ends in one of the words.
def troubled: .image | test(":[^/:]*(TROUBLES)$");

# The status of a troubled container, as far as there is one, with that word.
def status($statuses):
  . as $container
  | (first($statuses[]? | select(.name == $container.name)) // {})
  | .tag = ($container.image | capture("(?<tag>(TROUBLES)$)").tag);

# Those containers whose turn it is: the first troubled init container that has not completed,
# or else the troubled ones of the others, or else a fine one. Most pods are fine, and are asked by each rule.
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

# Tag and state of each of those for which a condition holds, such as "crash Running". The state is one of those
# that blocks.gotmpl makes, or "new". A pod that is being deleted has none.
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

# How long a retry waits that waits twice as long each time: as long as the pod has been there already.
def elapsed: now - (.status.startTime | fromdate) | floor;
