// Agent is the only program in the images of a real node. Its first argument, by default the ending of the image's tag, selects a
// behavior; the other arguments depend on it. All output goes to one stream, so that its order is kept. SIGTERM ends it with exit code 0, unless stated otherwise.
package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var behaviors = map[string]func(args []string){
	"run":       func([]string) { serve(http.StatusOK, 0); wait() },
	"crash":     crash, // [EXIT-CODE] [SECONDS]
	"panic":     func([]string) { var nothing map[string]int; nothing["key"] = 1 },
	"oom":       func([]string) { allocate() },
	"fill":      fill,                                                                                          // MEBIBYTES PATH
	"exit":      func(args []string) { info("done"); os.Exit(number(args, 0, 0)) },                             // [EXIT-CODE]
	"print":     func(args []string) { fmt.Println(strings.Join(args[1:], " ")); os.Exit(number(args, 0, 0)) }, // EXIT-CODE WORD …
	"sleep":     func(args []string) { time.Sleep(seconds(number(args, 0, 3600))) },                            // [SECONDS]
	"hang":      func([]string) { unready.Store(true); serve(http.StatusOK, 0); warn(); wait() },
	"silent":    func([]string) { warn(); wait() }, // It listens on no port.
	"slow":      func([]string) { serve(http.StatusOK, 5*time.Second); wait() },
	"jitter":    jitter,
	"unhealthy": func([]string) { serve(http.StatusInternalServerError, 0); warn(); wait() },
	"flaky":     flaky(1), // Exits once for each pod, if /state is a volume of the pod.
	"twice":     flaky(2),
	"deaf":      deaf,  // Ignores SIGTERM.
	"init":      initialize,
}

func main() {
	name, args := "run", os.Args[1:]
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	behavior, ok := behaviors[name]
	if !ok {
		fmt.Printf("level=fatal msg=\"unknown behavior\" behavior=%s\n", name)
		os.Exit(2)
	}
	if name != "print" && name != "init" && name != "sleep" {
		fmt.Printf("level=info msg=\"starting\" image=%s\n", os.Getenv("IMAGE"))
		info("configuration loaded")
	}
	behavior(args)
}

func info(message string) { fmt.Printf("level=info msg=%q\n", message) }
func warn()               { fmt.Println(`level=warn msg="waiting for the log store" endpoint=logs.example:443`) }

func number(args []string, index, otherwise int) int {
	if index < len(args) {
		if value, err := strconv.Atoi(args[index]); err == nil {
			return value
		}
	}
	return otherwise
}

func seconds(count int) time.Duration { return time.Duration(count) * time.Second }

func wait() {
	info("ready")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	info("done")
	os.Exit(0)
}

var unready atomic.Bool

// Serves /readyz, which answers 503 for a while, /healthz and /slow, which takes 30 seconds, on the port in PORT.
func serve(health int, readyAfter time.Duration) {
	began := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(health) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if unready.Load() || time.Since(began) < readyAfter {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { time.Sleep(30 * time.Second) })
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	go func() {
		// With the network of the node, another pod can have the port.
		if err := http.ListenAndServe(":"+port, mux); err != nil {
			fmt.Printf("level=warn msg=\"no probes\" error=%q\n", err)
		}
	}()
}

func crash(args []string) {
	time.Sleep(seconds(number(args, 1, 0)))
	fail(number(args, 0, 1))
}

func fail(code int) {
	fmt.Println(`level=error msg="cannot open the log directory" path=/var/log/pods error="permission denied"`)
	fmt.Printf("level=fatal msg=\"giving up\" exit_code=%d\n", code)
	if path := os.Getenv("TERMINATION_MESSAGE_PATH"); path != "" {
		_ = os.WriteFile(path, []byte("cannot open the log directory\n"), 0o644)
	}
	os.Exit(code)
}

// Allocates memory until the kernel ends it, but never more than half a gibibyte.
func allocate() {
	fmt.Println(`level=info msg="reading backlog" bytes=1073741824`)
	var kept [][]byte
	for range 128 {
		block := make([]byte, 4<<20)
		for index := 0; index < len(block); index += 4096 {
			block[index] = 1
		}
		kept = append(kept, block)
	}
	fmt.Printf("level=fatal msg=\"the container has no memory limit\" bytes=%d\n", len(kept)*4<<20)
	os.Exit(1)
}

func fill(args []string) {
	if len(args) < 2 {
		fail(2)
	}
	if err := os.WriteFile(args[1], make([]byte, number(args, 0, 1)<<20), 0o644); err != nil {
		fmt.Printf("level=fatal msg=%q\n", err)
		os.Exit(1)
	}
	wait()
}

func jitter([]string) {
	serve(http.StatusOK, time.Duration(rand.IntN(8000))*time.Millisecond)
	wait()
}

func flaky(times int) func([]string) {
	return func([]string) {
		exits, _ := os.ReadDir("/state")
		if len(exits) < times {
			_ = os.WriteFile(fmt.Sprintf("/state/%d", len(exits)), nil, 0o644)
			fail(1)
		}
		serve(http.StatusOK, 0)
		wait()
	}
}

func deaf([]string) {
	signal.Ignore(syscall.SIGTERM)
	serve(http.StatusOK, 0)
	select {}
}

// Init is the first process of a node, and of each pod's sandbox: it waits for the children that it inherits.
func initialize([]string) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			os.Exit(0)
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 && err != syscall.EINTR {
				break
			}
		}
	}
}
