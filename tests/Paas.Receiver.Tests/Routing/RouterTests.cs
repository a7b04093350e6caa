using System.Net;
using Microsoft.AspNetCore.Http;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Routing;

public class RouterTests
{
    static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task The_host_decides_which_application_answers()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("one", ["one.test"], [await house.NamedAsync("first")]);
        house.Router.Assign("two", ["two.test", "*.two.test"], [await house.NamedAsync("second")]);

        Assert.Equal("first", await house.GetAsync("one.test"));
        Assert.Equal("second", await house.GetAsync("two.test:80"));
        Assert.Equal("second", await house.GetAsync("v3.two.test"));
        Assert.Equal("control plane", await house.GetAsync("control.test"));
        Assert.Equal("control plane", await house.GetAsync("127.0.0.1"));
        Assert.True(house.Router.Knows("ONE.test:8080"));
        Assert.False(house.Router.Knows("three.test"));
        Assert.Equal("two", house.Router.KeyOf("x.two.test"));
    }

    [Fact]
    public async Task An_unknown_host_gets_a_plain_404_and_never_the_first_application()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("one", ["one.test"], [await house.NamedAsync("first")]);

        var answer = await house.SendAsync(HttpMethod.Get, "three.test");
        var text = await answer.Content.ReadAsStringAsync();

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal("text/html", answer.Content.Headers.ContentType?.MediaType);
        Assert.DoesNotContain("first", text, StringComparison.Ordinal);
        Assert.DoesNotContain("three.test", text, StringComparison.Ordinal);
        Assert.Empty(answer.Headers.Server);
    }

    [Fact]
    public async Task The_control_planes_paths_are_the_applications_own_on_its_host()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("one", ["one.test"], [await house.ApplicationAsync(context => context.Response.WriteAsync("app " + context.Request.Path))]);

        Assert.Equal("app /api/v1/projects", await house.GetAsync("one.test", "/api/v1/projects"));
        Assert.Equal("app /git/x.git/info/refs", await house.GetAsync("one.test", "/git/x.git/info/refs"));
    }

    [Fact]
    public async Task A_path_of_the_control_host_may_lead_to_an_application_and_the_prefix_is_kept()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("one", ["control.test/prod-one"], [await house.ApplicationAsync(context => context.Response.WriteAsync("app " + context.Request.Path))]);

        Assert.Equal("app /prod-one/x", await house.GetAsync("control.test", "/prod-one/x"));
        Assert.Equal("control plane", await house.GetAsync("control.test", "/prod-one2"));
        Assert.Equal("control plane", await house.GetAsync("control.test"));
    }

    [Fact]
    public async Task A_thousand_switches_under_keep_alive_requests_fail_nobody()
    {
        await using var house = await RoutingHouse.OpenAsync();
        Backend[] backends = [await house.NamedAsync("a"), await house.NamedAsync("b"), await house.NamedAsync("c")];
        house.Router.Assign("k", ["k.test"], [backends[0]]);
        using var stop = new CancellationTokenSource();
        var answered = 0;
        var failures = new System.Collections.Concurrent.ConcurrentBag<string>();
        var visitors = Enumerable.Range(0, 8).Select(async visitor =>
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    var answer = await house.SendAsync(visitor % 2 == 0 ? HttpMethod.Get : HttpMethod.Post, "k.test", content: visitor % 2 == 0 ? null : new StringContent("x"));
                    var text = await answer.Content.ReadAsStringAsync();
                    if (answer.StatusCode != HttpStatusCode.OK || text is not ("a" or "b" or "c"))
                    {
                        failures.Add($"{answer.StatusCode} {text}");
                    }

                    Interlocked.Increment(ref answered);
                }
                catch (Exception trouble)
                {
                    failures.Add(trouble.Message);
                }
            }
        }).ToList();

        for (var i = 1; i <= 1000; i++)
        {
            var before = Volatile.Read(ref answered);
            house.Router.Switch("k", [backends[i % 3]]);
            await house.Router.DrainAsync("k", [backends[(i - 1) % 3]], Long);
            Assert.Equal(0, house.Router.InFlight(backends[(i - 1) % 3]));
            while (i % 50 == 0 && Volatile.Read(ref answered) == before)
            {
                await Task.Yield();
            }
        }

        await stop.CancelAsync();
        await Task.WhenAll(visitors);
        Assert.Empty(failures);
        Assert.True(answered > 100, $"{answered} answers");
    }

    [Fact]
    public async Task Instances_that_really_stop_and_start_again_behind_a_hold_fail_nobody()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var instance = house.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        house.Router.Assign("k", ["k.test"], [instance.Backend]);
        using var stop = new CancellationTokenSource();
        var failures = new System.Collections.Concurrent.ConcurrentBag<string>();
        var answered = 0;
        var visitors = Enumerable.Range(0, 6).Select(async visitor =>
        {
            while (!stop.IsCancellationRequested)
            {
                var answer = await house.SendAsync(visitor % 2 == 0 ? HttpMethod.Get : HttpMethod.Delete, "k.test");
                Interlocked.Increment(ref answered);
                if (answer.StatusCode != HttpStatusCode.OK)
                {
                    failures.Add($"{answer.StatusCode}");
                }
            }
        }).ToList();

        for (var i = 0; i < 100; i++)
        {
            var before = Volatile.Read(ref answered);
            await UntilAsync(() => Volatile.Read(ref answered) > before);
            house.Router.Hold("k", Long, 1000);
            await house.Router.DrainAsync("k", [instance.Backend], Long);
            await instance.DisposeAsync();
            instance = house.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            house.Router.Switch("k", [instance.Backend]);
            house.Router.LetIn("k");
        }

        await stop.CancelAsync();
        await Task.WhenAll(visitors);
        Assert.Empty(failures);
        Assert.True(answered > 100, $"{answered} answers");
    }

    [Fact]
    public async Task Who_is_held_is_answered_by_the_new_release()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [await house.NamedAsync("old")]);
        Assert.Equal("old", await house.GetAsync("k.test"));

        house.Router.Hold("k", Long, 10);
        var held = Enumerable.Range(0, 10).Select(_ => house.GetAsync("k.test")).ToList();
        await UntilAsync(() => house.Router.Waiting("k") == 10);
        Assert.DoesNotContain(held, visit => visit.IsCompleted);

        house.Router.Switch("k", [await house.NamedAsync("new")]);

        Assert.All(await Task.WhenAll(held), text => Assert.Equal("new", text));
        Assert.Equal(0, house.Router.Waiting("k"));
    }

    [Fact]
    public async Task Who_is_held_is_answered_by_the_old_release_when_it_comes_back()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [await house.NamedAsync("old")]);
        house.Router.Hold("k", Long, 10);
        var held = house.GetAsync("k.test");
        await UntilAsync(() => house.Router.Waiting("k") == 1);

        house.Router.LetIn("k");
        house.Router.LetIn("k");

        Assert.Equal("old", await held);
    }

    [Fact]
    public async Task No_more_wait_than_there_is_room_for()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [await house.NamedAsync("old")]);
        house.Router.Hold("k", Long, 3);
        var held = Enumerable.Range(0, 3).Select(_ => house.GetAsync("k.test")).ToList();
        await UntilAsync(() => house.Router.Waiting("k") == 3);

        var refused = await house.SendAsync(HttpMethod.Get, "k.test");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        house.Router.LetIn("k");
        Assert.All(await Task.WhenAll(held), text => Assert.Equal("old", text));
    }

    [Fact]
    public async Task Nobody_waits_longer_than_was_said()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [await house.NamedAsync("old")]);
        house.Router.Hold("k", TimeSpan.FromMilliseconds(50), 3);

        var refused = await house.SendAsync(HttpMethod.Get, "k.test");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Equal(0, house.Router.Waiting("k"));
    }

    [Fact]
    public async Task A_visitor_who_goes_away_leaves_the_waiting_room()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], [await house.NamedAsync("old")]);
        house.Router.Hold("k", Long, 3);
        var visitor = await house.VisitAsync();
        await visitor.WriteAsync("GET / HTTP/1.1\r\nHost: k.test\r\n\r\n");
        await UntilAsync(() => house.Router.Waiting("k") == 1);

        visitor.Dispose();

        await UntilAsync(() => house.Router.Waiting("k") == 0);
    }

    [Fact]
    public async Task Draining_ends_when_the_last_request_does()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var go = new TaskCompletionSource();
        var slow = await house.ApplicationAsync(async context =>
        {
            await go.Task;
            await context.Response.WriteAsync("slow");
        });
        house.Router.Assign("k", ["k.test"], [slow]);
        var first = house.GetAsync("k.test");
        var second = house.GetAsync("k.test");
        await UntilAsync(() => house.Router.InFlight(slow) == 2);
        house.Router.Switch("k", [await house.NamedAsync("new")]);

        var drained = house.Router.DrainAsync("k", [slow], Long);
        Assert.Equal("new", await house.GetAsync("k.test"));
        Assert.False(drained.IsCompleted);
        go.SetResult();

        await drained;
        Assert.Equal(0, house.Router.InFlight(slow));
        Assert.Equal("slow", await first);
        Assert.Equal("slow", await second);
    }

    [Fact]
    public async Task Draining_ends_at_its_deadline_and_the_request_may_still_finish()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var go = new TaskCompletionSource();
        var slow = await house.ApplicationAsync(async context =>
        {
            await go.Task;
            await context.Response.WriteAsync("slow");
        });
        house.Router.Assign("k", ["k.test"], [slow]);
        var visit = house.GetAsync("k.test");
        await UntilAsync(() => house.Router.InFlight(slow) == 1);
        house.Router.Remove("k");

        await house.Router.DrainAsync("k", [slow], TimeSpan.FromMilliseconds(30));

        Assert.Equal(1, house.Router.InFlight(slow));
        go.SetResult();
        Assert.Equal("slow", await visit);
        Assert.Equal(HttpStatusCode.NotFound, (await house.SendAsync(HttpMethod.Get, "k.test")).StatusCode);
    }

    [Fact]
    public async Task Draining_what_nobody_visits_or_knows_is_done_at_once()
    {
        await using var house = await RoutingHouse.OpenAsync();

        await house.Router.DrainAsync("k", [new Backend("127.0.0.1", 1)], Long);
        house.Router.LetIn("nobody");
        house.Router.Hold("nobody", Long, 1);
        house.Router.Switch("nobody", []);
        house.Router.Remove("nobody");
    }

    [Fact]
    public async Task Draining_closes_the_connections_nobody_uses()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var ended = new TaskCompletionSource();
        var raw = house.Raw(async connection =>
        {
            while (await connection.ReadHeadAsync() is { Length: > 0 })
            {
                await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }

            ended.SetResult();
        });
        house.Router.Assign("k", ["k.test"], [raw.Backend]);
        Assert.Equal("ok", await house.GetAsync("k.test"));
        Assert.False(ended.Task.IsCompleted);

        house.Router.Hold("k", Long, 10);
        await house.Router.DrainAsync("k", [raw.Backend], Long);

        await ended.Task.WaitAsync(Long);
    }

    [Fact]
    public async Task A_key_without_instances_is_starting()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["k.test"], []);

        var answer = await house.SendAsync(HttpMethod.Get, "k.test");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
    }

    [Fact]
    public async Task An_instance_that_crashed_is_502_and_the_page_does_not_say_where_it_was()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var gone = house.Answering("");
        await gone.DisposeAsync();
        house.Router.Assign("k", ["k.test"], [gone.Backend]);

        var answer = await house.SendAsync(HttpMethod.Get, "k.test");
        var text = await answer.Content.ReadAsStringAsync();

        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        Assert.DoesNotContain("127.0.0.1", text, StringComparison.Ordinal);
        Assert.DoesNotContain($"{gone.Backend.Port}", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_crashed_instance_among_living_ones_fails_nobody_not_even_a_post()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var gone = house.Answering("");
        await gone.DisposeAsync();
        var alive = await house.ApplicationAsync(async context =>
        {
            using var body = new StreamReader(context.Request.Body);
            await context.Response.WriteAsync("got " + await body.ReadToEndAsync());
        });
        house.Router.Assign("k", ["k.test"], [gone.Backend, alive]);

        for (var i = 0; i < 20; i++)
        {
            var answer = await house.SendAsync(HttpMethod.Post, "k.test", content: new StringContent($"{i}"));
            Assert.Equal($"got {i}", await answer.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task The_least_loaded_instance_is_chosen()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var go = new TaskCompletionSource();
        Backend[] backends = [.. await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => house.ApplicationAsync(async context =>
        {
            await go.Task;
            await context.Response.WriteAsync("x");
        })))];
        house.Router.Assign("k", ["k.test"], backends);
        var visits = new List<Task<string>>();
        for (var i = 1; i <= 9; i++)
        {
            visits.Add(house.GetAsync("k.test"));
            await UntilAsync(() => backends.Sum(house.Router.InFlight) == i);
        }

        Assert.All(backends, backend => Assert.Equal(3, house.Router.InFlight(backend)));
        go.SetResult();
        await Task.WhenAll(visits);
    }

    [Fact]
    public async Task Assigning_a_host_of_another_key_changes_nothing()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("one", ["one.test"], [await house.NamedAsync("first")]);
        var second = await house.NamedAsync("second");
        house.Router.Assign("two", ["two.test"], [second]);

        Assert.Throws<Refusal>(() => house.Router.Assign("two", ["three.test", "one.test"], []));

        Assert.Equal("first", await house.GetAsync("one.test"));
        Assert.Equal("second", await house.GetAsync("two.test"));
        Assert.False(house.Router.Knows("three.test"));
    }

    [Fact]
    public async Task Many_assignments_at_once_all_hold()
    {
        await using var house = await RoutingHouse.OpenAsync();
        var backend = await house.NamedAsync("x");

        await Task.WhenAll(Enumerable.Range(0, 8).Select(part => Task.Run(() =>
        {
            for (var i = 0; i < 100; i++)
            {
                house.Router.Assign($"{part}/{i}", [$"h{i}.p{part}.test"], [backend]);
            }
        })));

        Assert.True(Enumerable.Range(0, 8).All(part => Enumerable.Range(0, 100).All(i => house.Router.KeyOf($"h{i}.p{part}.test") == $"{part}/{i}")));
    }

    [Fact]
    public async Task A_request_without_a_host_is_the_control_planes()
    {
        await using var house = await RoutingHouse.OpenAsync();
        house.Router.Assign("k", ["*"], [await house.NamedAsync("x")]);

        Assert.EndsWith("control plane", await house.TellAsync("GET / HTTP/1.0\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_control_plane_does_may_block_for_it_never_runs_on_a_sockets_thread()
    {
        var pooled = new System.Collections.Concurrent.ConcurrentQueue<bool>();
        await using var house = await RoutingHouse.OpenAsync(control: async context =>
        {
            pooled.Enqueue(Thread.CurrentThread.IsThreadPoolThread);
            while (await context.Request.Body.ReadAsync(new byte[1]) > 0)
            {
                pooled.Enqueue(Thread.CurrentThread.IsThreadPoolThread);
                await context.Response.WriteAsync("+");
                await context.Response.Body.FlushAsync();
            }
        });
        house.Router.Assign("k", ["k.test"], [await house.NamedAsync("application")]);
        using var visitor = await house.VisitAsync();
        await visitor.WriteAsync("GET / HTTP/1.1\r\nHost: k.test\r\n\r\nPOST / HTTP/1.1\r\nHost: control.test\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
        foreach (var piece in new[] { "a", "b" })
        {
            await visitor.WriteAsync(piece);
            Assert.NotEqual("", await visitor.ReadUntilAsync("+"));
        }

        await visitor.WriteAsync("c");
        await visitor.ReadToEndAsync();

        Assert.True(pooled.Count >= 3);
        Assert.DoesNotContain(false, pooled);
    }

    internal static async Task UntilAsync(Func<bool> holds)
    {
        var deadline = TimeProvider.System.GetTimestamp();
        while (!holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(deadline) < Long, "waited in vain");
            await Task.Delay(1);
        }
    }
}
