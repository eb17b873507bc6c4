package awstest

// ErrorForm is one of the two forms that Route 53 has for InvalidChangeBatch.
type ErrorForm int

// The forms. Of the first the SDK for Go tells the Messages one by one, and its
// own words as the Message; of the second it tells all in the Message and has
// no Messages. A client must be ready for both.
const (
	// EitherForm is chosen anew for each error.
	EitherForm ErrorForm = iota

	// MessagesForm is an InvalidChangeBatch element with a Message for each
	// thing that is wrong.
	MessagesForm

	// CodeForm is an ErrorResponse like that of other errors, with all messages
	// in brackets as its Message.
	CodeForm
)

// SetChangeErrors changes [Config.ChangeErrors].
func (c *Cloud) SetChangeErrors(f ErrorForm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.ChangeErrors = f
}

// errorForm chooses the form of an error.
func (c *Cloud) errorForm() ErrorForm {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cfg.ChangeErrors != EitherForm {
		return c.cfg.ChangeErrors
	}
	return MessagesForm + ErrorForm(c.rng.IntN(2))
}
