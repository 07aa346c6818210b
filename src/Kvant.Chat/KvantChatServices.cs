using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kvant.Chat;

/// <summary>Registers clients with a container of services.</summary>
public static class KvantChatServices
{
    /// <summary>Registers one client for all, as <see cref="IChatClient"/> and as itself. The model is opened when it is asked for the first time, and closed with the container.</summary>
    /// <param name="services">The container.</param>
    /// <param name="options">Which model, and how it runs.</param>
    public static IServiceCollection AddKvantChatClient(this IServiceCollection services, KvantChatOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        services.AddSingleton(provider => new KvantChatClient(options, provider.GetService<ILogger<KvantChatClient>>()));
        return services.AddSingleton<IChatClient>(static provider => provider.GetRequiredService<KvantChatClient>());
    }
}
