package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// serverGrace bounds the end of the health server.
const serverGrace = time.Second

// serve answers on set.listen until stop is called, which waits; without an address it does nothing.
func serve(set settings, svc *Service, reg *prometheus.Registry) (stop func(), err error) {
	if set.listen == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", set.listen)
	if err != nil {
		return nil, fmt.Errorf("listen for health checks (LISTEN): %w", err)
	}
	svc.Log.Info("listening", "addr", l.Addr().String())
	complaints := slog.NewLogLogger(svc.Log.Handler(), slog.LevelWarn)
	srv := &http.Server{
		Handler:           routes(svc.Health, reg, complaints, set.pprof),
		ErrorLog:          complaints,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute, // a CPU profile takes 30 s
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			svc.Health.Set("http", fmt.Errorf("serve health checks: %w", err))
		}
	}()
	return func() { shutdown(srv); <-done }, nil
}

func shutdown(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), serverGrace)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close()
	}
}

func routes(h *Health, reg *prometheus.Registry, complaints promhttp.Logger, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", h.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorLog: complaints, ErrorHandling: promhttp.ContinueOnError, Timeout: 10 * time.Second,
	}))
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", local(pprof.Index))
		mux.HandleFunc("GET /debug/pprof/cmdline", local(pprof.Cmdline))
		mux.HandleFunc("GET /debug/pprof/profile", local(pprof.Profile))
		mux.HandleFunc("GET /debug/pprof/symbol", local(pprof.Symbol))
		mux.HandleFunc("GET /debug/pprof/trace", local(pprof.Trace))
	}
	return mux
}

// local serves this machine alone: profiles tell of the inside, and cost time that whoever asks decides.
func local(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !from.Addr().Unmap().IsLoopback() {
			http.Error(w, "profiles are served to this machine alone: kubectl port-forward leads here", http.StatusForbidden)
			return
		}
		serve(w, r)
	}
}
