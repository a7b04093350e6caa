using System.Diagnostics;
using Xunit;

namespace Paas.Receiver.GitHttp;

/// <summary>Waits for what must come about but tells nobody when it does.</summary>
static class Eventually
{
    public static async Task TrueAsync(Func<bool> condition, string what)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"in a minute it did not come about that {what}");
            await Task.Delay(5);
        }
    }
}
