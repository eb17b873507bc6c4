package awsconf

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answerPeek is how much of an answer is looked at for its first element.
const answerPeek = 512

// CheckAnswer makes a client refuse answers that are not AWS's. The SDK decodes a login page, or an empty body, as an answer
// that lists nothing, if only its status is 200: every backend would seem to be gone. EC2, STS and Route 53 answer an
// operation X with an XML element XResponse (Amazon EC2 query protocol, AWS query protocol, Route 53 API reference).
//
// It is one of the APIOptions of configs from [Source.Load]; clients made in another way can have it too.
func CheckAnswer(stack *middleware.Stack) error {
	want := stack.ID() + "Response"
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("caddy-ec2:CheckAnswer",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleDeserialize(ctx, in)
			if err != nil {
				return out, meta, err
			}
			resp, ok := out.RawResponse.(*smithyhttp.Response)
			if !ok || resp.StatusCode/100 != 2 {
				return out, meta, nil
			}
			body := bufio.NewReaderSize(resp.Body, answerPeek)
			start, err := body.Peek(answerPeek)
			if err != nil && !errors.Is(err, io.EOF) {
				return out, meta, fmt.Errorf("reading the answer: %w", err)
			}
			if got := firstElement(start); got != want {
				return out, meta, fmt.Errorf("the answer is no %s, it begins with %q", want, oneLine(string(start), 60))
			}
			resp.Body = struct {
				io.Reader
				io.Closer
			}{body, resp.Body}
			return out, meta, nil
		}), middleware.After) // next to the wire: before the SDK decodes
}

// firstElement is the name of the root element of XML, or empty.
func firstElement(start []byte) string {
	for d := xml.NewDecoder(bytes.NewReader(start)); ; {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		if e, ok := token.(xml.StartElement); ok {
			return e.Name.Local
		}
	}
}
