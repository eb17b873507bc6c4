package awsconf

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCheckAnswer(t *testing.T) {
	const listing = `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId><reservationSet/></DescribeInstancesResponse>`
	for _, tc := range []struct {
		name, body string
		ok         bool
	}{
		{"plain", listing, true},
		{"with declaration", `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + listing, true},
		{"with comment and space", "\n <!-- x -->" + listing, true},
		{"long", strings.Replace(listing, "<reservationSet/>", "<reservationSet/>"+strings.Repeat("<x/>", 10_000), 1), true},
		{"empty", "", false},
		{"text", "OK", false},
		{"login page", "<!DOCTYPE html><html><body>Please log in</body></html>", false},
		{"another operation", strings.ReplaceAll(listing, "Instances", "Addresses"), false},
		{"an error with a good status", "<Response><Errors><Error><Code>X</Code></Error></Errors></Response>", false},
		{"JSON", `{"Reservations":[]}`, false},
		{"the element comes late", strings.Repeat(" ", answerPeek) + listing, false},
		{"binary", "\x1f\x8b\x00\xff", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body) // or else the SDK takes it away while it is sent, and the connection ends
				io.WriteString(w, tc.body)
			}))
			t.Cleanup(s.Close)
			isolate(t, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL="+s.URL)
			err := describe(t.Context(), load(t, Source{}))
			if tc.ok != (err == nil) {
				t.Fatalf("error %v", err)
			}
			if !tc.ok {
				wantError(t, err, Server, false, "the answer is no DescribeInstancesResponse, it begins with ", "is there a proxy in between")
			}
		})
	}
}
