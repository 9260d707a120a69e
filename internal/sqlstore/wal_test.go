package sqlstore
import ("testing";"os";"path/filepath";"time";"context";"sync";"sync/atomic";"github.com/propusk/propusk/internal/store")
func TestWALGrowth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	s := openFile(t, path)
	s.Update(t.Context(), registering(0))
	ctx, cancel := context.WithTimeout(context.Background(), 12*time.Second); defer cancel()
	var wg sync.WaitGroup
	var n, reads atomic.Int64
	for range 12 { wg.Go(func(){ for ctx.Err()==nil {
		s.View(context.Background(), func(r store.Reader) error { r.SessionBySecret(store.SecretHash{}); r.UserExists(); r.Users(store.UserFilter{Limit:20}); return nil}); reads.Add(1) } }) }
	for range 8 { wg.Go(func(){ for ctx.Err()==nil { s.Update(context.Background(), registering(n.Add(1))) } }) }
	for ctx.Err()==nil { time.Sleep(2*time.Second); i,_ := os.Stat(path+"-wal"); t.Log(i.Size()>>20, n.Load(), reads.Load()) }
	wg.Wait()
}
