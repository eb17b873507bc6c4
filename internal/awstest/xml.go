package awstest

import "fmt"

// xmlWriter appends XML to a buffer.
type xmlWriter struct{ b []byte }

// reset empties the buffer for a new document.
func (x *xmlWriter) reset() { x.b = append(x.b[:0], "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"...) }

// open starts an element; attributes may follow its name.
func (x *xmlWriter) open(name string) { x.b = append(append(append(x.b, '<'), name...), '>') }

func (x *xmlWriter) close(name string) { x.b = append(append(append(x.b, "</"...), name...), '>') }

// elem writes an element with text in it.
func (x *xmlWriter) elem(name, text string) {
	x.open(name)
	plain := 0
	for i := 0; i < len(text); i++ {
		if b := text[i]; b < ' ' || b == '<' || b == '>' || b == '&' {
			x.b = fmt.Appendf(append(x.b, text[plain:i]...), "&#x%X;", b)
			plain = i + 1
		}
	}
	x.b = append(x.b, text[plain:]...)
	x.close(name)
}

// optional writes an element unless its text is empty.
func (x *xmlWriter) optional(name, text string) {
	if text != "" {
		x.elem(name, text)
	}
}
