// Registry is what a real node knows of the world: `registry AGENT` serves an image for every repository and tag on 127.0.0.1:5000,
// and answers every DNS question on 127.0.0.1:53 with NXDOMAIN.
//
// An image consists of the agent. The ending of its tag is the agent's argument, or one of the errors below.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
)

type object map[string]any

// The tags of images that cannot be pulled, and what real registries answer.
var errors = []struct {
	ending, code, message string
	status                int
	once                  bool
}{
	{ending: "missing", status: 404, code: "MANIFEST_UNKNOWN", message: "manifest unknown"},
	{ending: "private", status: 401, code: "UNAUTHORIZED", message: "authentication required"},
	{ending: "denied", status: 403, code: "DENIED", message: "requested access to the resource is denied"},
	{ending: "toomany", status: 429, code: "TOOMANYREQUESTS", message: "You have reached your unauthenticated pull rate limit."},
	{ending: "broken", status: 503, code: "UNAVAILABLE", message: "service unavailable"},
	{ending: "flaky-pull", status: 503, code: "UNAVAILABLE", message: "service unavailable", once: true},
}

// A longer ending comes before a shorter one that it contains.
var behaviors = []string{"unhealthy", "crash", "panic", "oom", "hang", "silent", "slow", "jitter", "flaky", "deaf", "run-error"}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

type registry struct {
	mutex  sync.Mutex
	blobs  map[string][]byte
	failed map[string]bool
	layer  object
}

func main() {
	agent, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	r := &registry{blobs: map[string][]byte{}, failed: map[string]bool{}}
	r.layer = r.store(layerType, layerOf(agent))
	go answerNames()
	log.Fatal(http.ListenAndServe("127.0.0.1:5000", r))
}

// Keeps a blob and returns its descriptor.
func (r *registry) store(mediaType string, blob []byte) object {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(blob))
	r.blobs[digest] = blob
	return object{"mediaType": mediaType, "digest": digest, "size": len(blob)}
}

func layerOf(agent []byte) []byte {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	add := func(header tar.Header, content []byte) {
		header.Size = int64(len(content))
		if err := w.WriteHeader(&header); err != nil {
			log.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			log.Fatal(err)
		}
	}
	for _, folder := range []string{"etc/", "tmp/", "state/"} {
		add(tar.Header{Name: folder, Typeflag: tar.TypeDir, Mode: 0o777}, nil)
	}
	add(tar.Header{Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/:/agent\nnobody:x:65534:65534:nobody:/:/agent\n"))
	add(tar.Header{Name: "agent", Mode: 0o755}, agent)
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	return layer.Bytes()
}

// The manifest of an image. Each name has an image of its own, with its own digest.
func (r *registry) manifest(name, tag string) []byte {
	command := []string{"/agent", "run"}
	for _, behavior := range behaviors {
		if strings.HasSuffix(tag, behavior) {
			command[1] = behavior
			break
		}
	}
	switch {
	case strings.HasPrefix(name, "pause"):
		command[1] = "init"
	case command[1] == "run-error":
		command = []string{"/no-such-program"}
	}
	config := r.store(configType, encode(object{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       object{"Entrypoint": command[:1], "Cmd": command[1:], "Env": []string{"PATH=/", "IMAGE=" + name + ":" + tag}},
		"rootfs":       object{"type": "layers", "diff_ids": []any{r.layer["digest"]}},
	}))
	manifest := encode(object{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": []object{r.layer}})
	r.store(manifestType, manifest)
	return manifest
}

func encode(value object) []byte {
	encoded, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return encoded
}

var path = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs)/([^/]+)$`)

func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	log.Print(request.Method, " ", request.URL)
	match := path.FindStringSubmatch(request.URL.Path)
	if match == nil { // The check whether this is a registry: GET /v2/
		return
	}
	name, kind, reference := match[1], match[2], match[3]
	r.mutex.Lock()
	defer r.mutex.Unlock()
	body, known := r.blobs[reference]
	mediaType := "application/octet-stream"
	if kind == "manifests" {
		mediaType = manifestType
	}
	if !known {
		if kind == "blobs" {
			refuse(w, 404, "BLOB_UNKNOWN", "blob unknown to registry")
			return
		}
		for _, one := range errors {
			key := name + ":" + reference
			if !strings.HasSuffix(reference, one.ending) || one.once && r.failed[key] {
				continue
			}
			r.failed[key] = true
			if one.status == 401 {
				w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			}
			refuse(w, one.status, one.code, one.message)
			return
		}
		body = r.manifest(name, reference)
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", fmt.Sprintf("sha256:%x", sha256.Sum256(body)))
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if request.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(object{"errors": []object{{"code": code, "message": message}}}))
}

// RFC 1035, section 4.1: a header of twelve bytes, then the question, which the answer repeats.
func answerNames() {
	connection, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		log.Fatal(err)
	}
	message := make([]byte, 1500)
	for {
		length, from, err := connection.ReadFrom(message)
		if err != nil {
			log.Fatal(err)
		}
		end := 12
		for end < length && message[end] != 0 {
			end += int(message[end]) + 1
		}
		end += 5 // The empty label, the type and the class.
		if end > length {
			continue
		}
		copy(message[2:], []byte{0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0}) // A response: no such domain.
		_, _ = connection.WriteTo(message[:end], from)
	}
}
