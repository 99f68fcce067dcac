package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"

	"onhand/processor"
	"onhand/processor/worker"
)

// hopHeader marks a request that a worker has passed on. It is passed on once:
// two workers that disagree about an owner do not play ball with it.
const hopHeader = "X-Onhand-Hop"

// at runs f on a partition: here, or by passing the request on to its owner,
// which then answers; here is false in that case.
func (a *API) at(w http.ResponseWriter, r *http.Request, partition int, f func(*processor.Machine)) (here bool, err error) {
	err = a.Worker.Ask(r.Context(), partition, f)
	if errors.Is(err, worker.ErrNotOwned) {
		if owner := a.owner(r.Context(), partition); owner != "" && owner != a.ID {
			return false, a.forward(w, r, owner)
		}
	}
	return true, err
}

// owner returns the worker a partition falls to.
func (a *API) owner(ctx context.Context, partition int) string {
	return a.Worker.Status(ctx)[partition].Owner
}

// forward passes a request on to another worker.
func (a *API) forward(w http.ResponseWriter, r *http.Request, owner string) error {
	address := a.Address(owner)
	if r.Header.Get(hopHeader) != "" || address == "" {
		return &problem{Status: http.StatusMisdirectedRequest, Detail: "the partition has just moved, or its owner is not known; repeat the request"}
	}
	proxy := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: address})
			p.Out.Header.Set(hopHeader, a.ID)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			w.Header().Set("Retry-After", "1")
			a.fail(w, r, &problem{Status: http.StatusBadGateway, Detail: "the owner of the partition does not answer: " + err.Error()})
		},
	}
	proxy.ServeHTTP(w, r)
	return nil
}

// partitionOf returns the partition of an id.
func (a *API) partitionOf(id string) int {
	return processor.PartitionOf(processor.Hash(id), a.Log.Partitions())
}

// customer answers what is known of one customer.
func (a *API) customer(w http.ResponseWriter, r *http.Request) error {
	id, known := r.PathValue("id"), false
	var view processor.CustomerView
	here, err := a.at(w, r, a.partitionOf(id), func(m *processor.Machine) { view, known = m.CustomerView(id) })
	return answer(w, here, known, err, view)
}

// item answers what is known of one item.
func (a *API) item(w http.ResponseWriter, r *http.Request) error {
	sku, known := r.PathValue("sku"), false
	var view processor.ItemView
	here, err := a.at(w, r, a.partitionOf(sku), func(m *processor.Machine) { view, known = m.ItemView(sku) })
	return answer(w, here, known, err, view)
}

func answer(w http.ResponseWriter, here, known bool, err error, view any) error {
	switch {
	case !here || err != nil:
		return err
	case !known:
		return &problem{Status: http.StatusNotFound, Detail: "nothing is known under this id"}
	}
	return reply(w, view)
}
