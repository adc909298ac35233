// Renders the charts with the template engine and the functions that Helm uses, where Helm is not to be had. It knows what these charts use
// of Helm (include, toYaml, Values, Chart, Release, Subcharts) and no more. deploy/helm/render/render.sh runs it.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

type object = map[string]interface{}

func read(file string) object {
	value := object{}
	must(0, yaml.Unmarshal(must(os.ReadFile(file)), &value))
	return throughJSON(value)
}

// As Helm reads: every number is a float64.
func throughJSON(value object) object {
	read := object{}
	must(0, json.Unmarshal(must(json.Marshal(value)), &read))
	return read
}

// As Helm writes: a whole number without an exponent.
func whole(value interface{}) interface{} {
	switch value := value.(type) {
	case float64:
		if value == float64(int64(value)) {
			return int64(value)
		}
	case object:
		written := object{}
		for key, each := range value {
			written[key] = whole(each)
		}
		return written
	case []interface{}:
		written := []interface{}{}
		for _, each := range value {
			written = append(written, whole(each))
		}
		return written
	}
	return value
}

// As Helm coalesces: maps are merged, anything else is replaced.
func merge(base, over object) object {
	merged := object{}
	for key, value := range base {
		merged[key] = value
	}
	for key, value := range over {
		below, isMap := value.(object)
		if old, wasMap := merged[key].(object); isMap && wasMap {
			merged[key] = merge(old, below)
		} else {
			merged[key] = value
		}
	}
	return merged
}

func chartOf(directory string) object {
	chart := object{}
	for key, value := range read(filepath.Join(directory, "Chart.yaml")) {
		chart[strings.ToUpper(key[:1])+key[1:]] = value
	}
	return chart
}

func main() {
	// render <chart> <values file or -> [<directory of a subchart>]
	directory, valuesFile := os.Args[1], os.Args[2]
	release := object{"Name": "clinic", "Service": "Helm", "Namespace": "chartwarden"}
	scope := func(directory string, values object) object {
		return object{"Values": merge(read(filepath.Join(directory, "values.yaml")), values), "Chart": chartOf(directory), "Release": release}
	}
	values := object{}
	if valuesFile != "-" {
		values = read(valuesFile)
	}
	top := scope(directory, values)

	root := template.New("charts").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := root.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	functions["toYaml"] = func(value interface{}) (string, error) {
		var out bytes.Buffer
		encoder := yaml.NewEncoder(&out)
		encoder.SetIndent(2)
		err := encoder.Encode(whole(value))
		return strings.TrimSuffix(out.String(), "\n"), err
	}
	root.Funcs(functions)

	type unit struct {
		name string
		data object
	}
	units := []unit{}
	load := func(directory string, data object) {
		files := must(filepath.Glob(filepath.Join(directory, "templates", "*")))
		sort.Strings(files)
		for _, file := range files {
			name := filepath.Join(filepath.Base(directory), "templates", filepath.Base(file))
			must(root.New(name).Parse(string(must(os.ReadFile(file)))))
			if strings.HasSuffix(file, ".yaml") {
				units = append(units, unit{name, data})
			}
		}
	}
	if len(os.Args) > 3 {
		below := os.Args[3]
		name := filepath.Base(below)
		given, _ := top["Values"].(object)[name].(object)
		sub := scope(below, given)
		top["Subcharts"] = object{name: sub}
		load(below, sub)
	}
	load(directory, top)
	for _, each := range units {
		var out bytes.Buffer
		must(0, root.ExecuteTemplate(&out, each.name, each.data))
		if text := strings.TrimSpace(out.String()); text != "" {
			fmt.Printf("---\n# Source: %s\n%s\n", each.name, text)
		}
	}
}
