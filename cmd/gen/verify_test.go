package main

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"gen/emit/verify"
)

// The help of verify names every key of its JSON.
func TestVerifyKeysAreDocumented(t *testing.T) {
	keys := map[string]bool{}
	collectKeys(reflect.TypeFor[verify.Report](), keys)
	collectKeys(reflect.TypeFor[verify.TopicReport](), keys)
	for _, kind := range verify.Kinds {
		keys[string(kind)] = true
	}
	if len(keys) < 30 || !keys["toOffset"] {
		t.Fatalf("the reports have the keys %v: some are lost", keys)
	}
	for key := range keys {
		if !regexp.MustCompile(`\b` + key + `\b`).MatchString(jsonHelp) {
			t.Errorf("the key %s is not in the help", key)
		}
	}
}

// collectKeys adds the keys of a type's JSON and of the types in it.
func collectKeys(t reflect.Type, keys map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		collectKeys(t.Elem(), keys)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				keys[name] = true
			}
			collectKeys(f.Type, keys)
		}
	}
}
