module testbed/node

go 1.26.0
