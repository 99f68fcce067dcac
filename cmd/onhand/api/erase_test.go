package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEraseNoAudience: an audience has an id as customers have, and what it waits
// for from its platform is kept there: forgotten, it would wait for ever.
func TestEraseNoAudience(t *testing.T) {
	r := httptest.NewRequest(http.MethodDelete, "/api/v1/customers/x", nil)
	r.SetPathValue("id", "ads\nphone")
	var refused *problem
	require.ErrorAs(t, (&API{}).erase(httptest.NewRecorder(), r), &refused)
	require.Equal(t, http.StatusBadRequest, refused.Status)
}
