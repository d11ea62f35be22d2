package agent_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/svcspy/svcspy/recorder/agent"
)

// Until an Agent has the Receiver, senders are told to try again; one without a secret to
// compare with takes no alerts at all.
func ExampleReceiver() {
	post := func(receiver *agent.Receiver) int {
		request := httptest.NewRequest(http.MethodPost, "/alerts", strings.NewReader(`{"alerts":[]}`))
		request.Header.Set("Authorization", "Bearer of-the-webhook")
		answer := httptest.NewRecorder()
		receiver.ServeHTTP(answer, request)
		return answer.Code
	}
	fmt.Println(post(&agent.Receiver{Token: "of-the-webhook"}), post(&agent.Receiver{}))
	// Output: 503 404
}
