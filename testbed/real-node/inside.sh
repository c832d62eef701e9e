#!/usr/bin/env bash
# The first process of a real node, in namespaces of its own: inside.sh DIRECTORY NAME AGENT
# It separates from the machine what kubelet and containerd change, prints "isolated", and becomes the parent of orphaned processes.
set -euo pipefail
directory=$1 name=$2 agent=$3

echo "$name" > /proc/sys/kernel/hostname
# Without -n, mount writes to /run/mount of the machine.
mount -n -t tmpfs tmpfs /run
mount -n -t overlay overlay -o "lowerdir=/var,upperdir=$directory/var,workdir=$directory/var-work" /var

# The kubelet sets these for the whole machine. Here it writes to files.
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  file=$directory/sysctl/${name//\//.}
  cat "/proc/sys/$name" > "$file"
  mount -n --bind "$file" "/proc/sys/$name"
done

# It can be a link into /run, which is empty now.
resolver=$(readlink -m /etc/resolv.conf)
[ -e "$resolver" ] || { mkdir -p "$(dirname "$resolver")" && touch "$resolver"; }
mount -n --bind "$directory/resolv.conf" "$resolver"

# Volumes of pods must be visible to the containers that mount them.
mount -n --bind "$directory/kubelet" "$directory/kubelet"
mount -n --make-rshared "$directory/kubelet"

ip link set lo up
echo isolated
exec "$agent" init
