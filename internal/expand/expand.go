// Package expand replaces Caddy's placeholders in a configuration, wherever in it they stand.
package expand

import (
	"fmt"
	"reflect"

	"github.com/caddyserver/caddy/v2"
)

// Strings replaces every string of a configuration, to which v points: in the exported fields of structs, behind pointers, in
// slices, and in maps with their keys. What replace returns takes the string's place. It is told the field that holds the string,
// by the names of the struct's type and of the field, such as `Pool.Region`.
//
// It stops at the first error of replace. It is an error, too, if two keys of a map become the same.
func Strings(v any, replace func(field, s string) (string, error)) error {
	return walk(reflect.ValueOf(v), "", replace)
}

func walk(v reflect.Value, field string, replace func(field, s string) (string, error)) error {
	switch v.Kind() {
	case reflect.String:
		out, err := replace(field, v.String())
		if err != nil {
			return err
		}
		v.SetString(out)
	case reflect.Pointer:
		if !v.IsNil() {
			return walk(v.Elem(), field, replace)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := walk(v.Index(i), field, replace); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(k))
			if err := walk(value, field, replace); err != nil {
				return err
			}
			key, err := replace(field, k.String())
			if err != nil {
				return err
			}
			v.SetMapIndex(k, reflect.Value{})
			if v.MapIndex(reflect.ValueOf(key)).IsValid() {
				return fmt.Errorf("%s is given twice once the placeholder %s is replaced", key, k)
			}
			v.SetMapIndex(reflect.ValueOf(key), value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if err := walk(v.Field(i), v.Type().Name()+"."+f.Name, replace); err != nil {
				return err
			}
		}
	}
	return nil
}

// Global replaces the placeholders of s. One that is unknown or has no value is an error, since nothing in its place would mean
// something else.
func Global(repl *caddy.Replacer, s string) (string, error) {
	out, err := repl.ReplaceOrErr(s, true, true)
	if err != nil {
		return "", fmt.Errorf("replacing placeholders in %q: %w (a brace that belongs to no placeholder is written \\{ or \\})", s, err)
	}
	return out, nil
}
