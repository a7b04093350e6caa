namespace Paas.Receiver;

/// <summary>What an operator reads when the receiver has started: where it is and, the first time, how to push to it.</summary>
static class Greeting
{
    /// <param name="newToken">The first admin's token, shown this once; null on every later start.</param>
    public static void Print(ReceiverOptions options, string? newToken)
    {
        var url = $"http://{options.Listen}";
        Console.WriteLine($"Paas.Receiver serves at {url}, projects are in {options.Root}");
        if (newToken is not null)
        {
            Console.WriteLine($"Admin token (shown once): {newToken}");
            Console.WriteLine($"git remote add paas http://admin:{newToken}@{options.Listen}/git/PROJECT.git");
            if (options.SshListen is not null)
            {
                Console.WriteLine($"By ssh, once your key is known (corpus keys add ~/.ssh/id_ed25519.pub): ssh://{System.Environment.UserName}@{options.SshListen}/PROJECT.git");
            }
        }
    }
}
