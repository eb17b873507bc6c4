package awstest

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// maxDepth is how deep elements may be in each other. A batch needs seven.
const maxDepth = 10

// element is an XML element. What has been asked for is taken out; what is
// left at the end was never known.
type element struct {
	name     string
	text     string
	children []*element
	err      *error // the first thing wrong with the document
}

// malformed is how Route 53 refuses a body that it can't read.
func malformed(format string, args ...any) *Error {
	return invalid("MalformedInput", format, args...)
}

// readXML reads a document of the given name space, in which there are neither
// attributes nor text beside elements.
func readXML(body []byte, space string) (*element, error) {
	d := xml.NewDecoder(strings.NewReader(string(body)))
	var failed error
	top := &element{err: &failed}
	open := []*element{top}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, malformed("Could not parse XML")
		}
		in := open[len(open)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Space != space {
				return nil, malformed("Element '%s' is not of the name space %s", t.Name.Local, space)
			}
			for _, a := range t.Attr {
				if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
					return nil, malformed("Unexpected attribute '%s' in '%s'", a.Name.Local, t.Name.Local)
				}
			}
			if len(open) > maxDepth {
				return nil, malformed("Unexpected element '%s' in '%s'", t.Name.Local, in.name)
			}
			e := &element{name: t.Name.Local, err: &failed}
			in.children = append(in.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			in.text += string(t)
		case xml.Directive:
			return nil, malformed("Could not parse XML")
		}
	}
	if len(top.children) != 1 || strings.TrimSpace(top.text) != "" {
		return nil, malformed("Could not parse XML")
	}
	return top.children[0], nil
}

func (e *element) fail(err error) {
	if *e.err == nil {
		*e.err = err
	}
}

// all takes out the children of a name.
func (e *element) all(name string) []*element {
	var taken, left []*element
	for _, c := range e.children {
		if c.name == name {
			taken = append(taken, c)
		} else {
			left = append(left, c)
		}
	}
	e.children = left
	return taken
}

// one takes out the child of a name, or returns nil.
func (e *element) one(name string) *element {
	found := e.all(name)
	if len(found) == 0 {
		return nil
	}
	if len(found) > 1 {
		e.fail(malformed("Element '%s' is more than once in '%s'", name, e.name))
	}
	return found[0]
}

// value takes out the text of the child of a name, and whether it is there.
func (e *element) value(name string) (string, bool) {
	c := e.one(name)
	if c == nil {
		return "", false
	}
	if len(c.children) > 0 {
		e.fail(malformed("Unexpected element '%s' in '%s'", c.children[0].name, name))
	}
	return c.text, true
}

// required takes out the text of a child that must be there.
func (e *element) required(name string) string {
	s, ok := e.value(name)
	if !ok {
		e.missing(name)
	}
	return s
}

// inside takes out a child that must be there. It is never nil.
func (e *element) inside(name string) *element {
	if c := e.one(name); c != nil {
		return c
	}
	e.missing(name)
	return &element{name: name, err: e.err}
}

func (e *element) missing(name string) {
	e.fail(invalidInput("Missing field '%s' in '%s'", name, e.name))
}

// end refuses whatever is left in an element that has only children.
func (e *element) end() {
	if len(e.children) > 0 {
		e.fail(malformed("Unexpected element '%s' in '%s'", e.children[0].name, e.name))
	}
	if strings.TrimSpace(e.text) != "" {
		e.fail(malformed("Unexpected text in '%s'", e.name))
	}
}
